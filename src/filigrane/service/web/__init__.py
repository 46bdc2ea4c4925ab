"""The page: templates, texts in two languages, a style sheet and three small scripts; nothing comes from elsewhere."""
