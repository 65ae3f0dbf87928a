"""How many examples hypothesis tries: its own number, or many more for `make fuzz`."""

import os

from hypothesis import settings

settings.register_profile("fuzz", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
