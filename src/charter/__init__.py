"""Charter runs contact-centre conversations under a policy; the folders of this package are its layers."""
