"""The dashboard's rows, each a question: its title and its panels."""
