"""The paper's protocol: metrics, the baseline without a model, tables and pictures."""
