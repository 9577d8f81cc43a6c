"""MLflow: runs, versions and aliases for the outside to see, and its own pages and API inside our server."""

from __future__ import annotations

import os
import warnings

# MLflow and its parts read these while they are imported, and this file is always imported before them.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_TRUNCATE_LONG_VALUES": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "GIT_PYTHON_REFRESH": "quiet",
}.items():
    os.environ.setdefault(_name, _value)

# It speaks of how MLflow's server is built, to nobody who could change that.
warnings.filterwarnings("ignore", message="starlette.middleware.wsgi is deprecated")
