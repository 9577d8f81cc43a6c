"""Slack, mail, SNS, webhooks and a hundred more destinations, each by one URL."""
