"""Write what a notification says: our words, and messages of users."""
