"""Document formats: a file that is one document, such as a PDF, read to its text in the process that reads pages."""
