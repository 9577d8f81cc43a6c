"""Fakes for every port, and the exams that every adapter passes: for Loopwright's own tests and for yours."""
