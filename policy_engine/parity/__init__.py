"""The answers of two models on a golden dataset, compared by the metric of each task (MIGRATE-02, -03).

lines        one line of JSON, with the place of what is wrong in it
reading      the golden dataset and the answers to it: every problem of all files at once
labels       classification and sentiment, by scikit-learn
overlap      summaries, by rouge-score
answers      extraction and question answering: exact match, the words in common, valid JSON
schemas      answers held to a JSON Schema, by jsonschema
scoring      the metrics of one task, by its family
resampling   the paired bootstrap
comparing    all of it together: the report of `vouching.evaluation`, with what is shown beside it
"""
