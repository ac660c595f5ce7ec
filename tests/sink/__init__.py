"""The sink worker against doubles, models and real programs."""
