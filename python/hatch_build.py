"""Tells hatchling that the wheel holds programs of one platform, but nothing of one Python."""

import os

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ForThisPlatform(BuildHookInterface):
    def initialize(self, version, build_data):
        if not os.path.isdir(os.path.join(self.root, "xdlreg", "bin")):
            raise SystemExit("the programs are missing: build the wheel with `make wheel`")
        build_data["pure_python"] = False
        build_data["tag"] = os.environ["XDLREG_WHEEL_TAG"]
