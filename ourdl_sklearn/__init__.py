"""Classifier and regressor for scikit-learn, made of a list of ops or of a model file."""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("ourdl_sklearn needs scikit-learn, which is not installed: pip install 'ourdl[sklearn]'") from error

from ourdl_sklearn.classifier import OurDLClassifier
from ourdl_sklearn.regressor import OurDLRegressor

__all__ = ["OurDLClassifier", "OurDLRegressor"]
