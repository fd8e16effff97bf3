"""The challenger in the shadow: it scores what the live version was asked, and answers nobody."""
