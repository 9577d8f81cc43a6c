"""What a user declares of each part of the loop: plain values, checked as they are written."""
