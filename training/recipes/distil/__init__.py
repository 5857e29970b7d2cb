"""Progressive distillation (Salimans and Ho 2022): a model of few steps out of one of many."""
