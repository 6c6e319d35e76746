"""What the tests of stock clients stand on."""

from shutil import which

from tests.fhir.clients.story import HERE

# Node's client is no part of the environment of Python: CONTRIBUTING.md says how to have it.
has_node = which("node") is not None and (HERE / "node_modules").is_dir()
collect_ignore = [] if has_node else ["test_kit.py"]
