"""What each project's folders and files of SAEs hold, and what their weights compute."""
