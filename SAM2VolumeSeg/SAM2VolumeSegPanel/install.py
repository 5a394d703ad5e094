"""What the set-up needs of Slicer (see `SAM2VolumeSegLib.panel.setup.Tools`)."""

import subprocess

import slicer

from SAM2VolumeSegLib.panel import setup


class SlicerTools:
    """Slicer's own ways to install something."""

    def install_torch(self, requirement):
        """By Slicer's PyTorch extension, which chooses the build for the graphics card. We have asked already."""
        import PyTorchUtils

        logic = PyTorchUtils.PyTorchUtilsLogic()
        if logic.installTorch(askConfirmation=False, torchVersionRequirement=requirement) is None:
            raise RuntimeError("PyTorchUtils did not install torch")

    def pip_install(self, arguments):
        """With progress and log in Slicer 5.12 and newer; before, `slicer.util` runs pip without."""
        try:
            from slicer.packaging import pip_install
        except ImportError:  # Slicer 5.10
            slicer.util.pip_install(" ".join(f'"{argument}"' for argument in arguments))
        else:
            try:
                pip_install(list(arguments), requester="SAM2VolumeSeg")
            except subprocess.CalledProcessError as error:  # Slicer has shown a box with pip's own words
                raise setup.ShownError(str(error)) from error
