"""Results to figures, cards and pages. Knows nothing of torch.

Nothing is imported here: words and tables are wanted by every command, and figures, with matplotlib, by few.
"""
