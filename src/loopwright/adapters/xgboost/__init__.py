"""XGBoost serves `model.ubj`."""
