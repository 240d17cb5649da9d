"""Answers of two models on one golden dataset, compared by the metric of the task."""
