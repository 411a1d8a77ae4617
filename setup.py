"""What pyproject.toml cannot say: a wheel carries trained models and recipes, which lie beside the package in a checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithModels(build_py):
    """Copies saved_models/ and recipes/ into zoo/ of what is built; an editable install finds them in the checkout."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for name in ("saved_models", "recipes"):
                target = Path(self.build_lib, "zoo", name)
                shutil.rmtree(target, ignore_errors=True)  # of an earlier build, maybe with other versions
                shutil.copytree(Path(__file__).with_name(name), target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithModels})
