"""A server of a trained model: OpenAI's protocol, a page to chat on, and answers that are kept."""
