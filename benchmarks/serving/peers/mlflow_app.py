"""An MLflow pyfunc model around the same session, for `mlflow models serve` (its FastAPI scoring server, one worker).

python mlflow_app.py FOLDER     # saves the model
mlflow models serve -m FOLDER --env-manager local --workers 1
"""

import sys

import mlflow
import numpy as np


class Forest(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        import forest

        self.dtype, self.probabilities = forest.dtype, forest.probabilities

    def predict(self, context, model_input, params=None):
        return self.probabilities(np.asarray(model_input, dtype=self.dtype))


if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[1], python_model=Forest(), pip_requirements=["onnxruntime"])
