"""Language models: files, tokenizer, hooks, and the way out to tokens."""
