"""What pyproject.toml cannot say: a wheel carries the trained models, which lie beside the package in a checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithModels(build_py):
    """Copies saved_models/ to zoo/saved_models/ of what is built; an editable install finds them in the checkout."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "zoo", "saved_models")
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build, maybe with other versions
            shutil.copytree(Path(__file__).with_name("saved_models"), target)


setup(cmdclass={"build_py": BuildWithModels})
