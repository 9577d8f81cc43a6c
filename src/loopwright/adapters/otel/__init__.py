"""OpenTelemetry: spans of inference requests, sent by OTLP over HTTP."""
