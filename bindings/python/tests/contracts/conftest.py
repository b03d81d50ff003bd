"""The ready-made contracts against the real packages: `make python-contracts` installs them. Without one its tests are skipped."""

import os

# Haystack tells its makers what it is used for, unless it is told not to.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"


def pytest_configure(config):
    # LangChain's own tests are coroutines without a mark.
    config.option.asyncio_mode = "auto"
