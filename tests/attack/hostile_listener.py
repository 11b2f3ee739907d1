"""A server whose listener is in an attacker's hands: the real program, with native code in its process.

It is named by ListenerProgram and starts the real one with the attacks in it (native/hostile_listener.c); an order in a
file makes the listener's own process run one (native/in_listener.c).
"""
import shutil

from attacking import ReportFile, Target
from itk2_testing.configuration import itk2_listener

LINES = ("ListenerProgram @DIR@/hostile/hostile_listener",)


class HostileListener(Target):
    def __init__(self, instance, native, found):
        super().__init__(instance, native, found)
        instance.allow("ITK2112")  # its sandbox is taken from it: native/in_listener.c
        self.folder = instance.directory / "hostile"
        self.folder.mkdir()
        for name in ("hostile_listener", "in_listener.so"):
            shutil.copy(native.folder / name, self.folder)
        (self.folder / "itk2-listener").symlink_to(itk2_listener())
        self.order = self.folder / "order"

    def begin_in_listener(self, attack):
        """The report's file of an attack that a listener has begun; the listener waits for its end."""
        report = ReportFile(self.instance.directory)
        new = self.order.with_suffix(".new")
        new.write_text(f"{report.path}\n{attack}\n")
        new.rename(self.order)
        try:
            report.wait_for_any()
        finally:
            self.order.unlink()
        return report

    def attack_in_listener(self, attack):
        return self.begin_in_listener(attack).wait_for("end")
