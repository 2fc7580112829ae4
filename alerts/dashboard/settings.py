"""Settings of the dashboard, validated at birth."""

from dataclasses import dataclass

from liteheart.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """What a ward may tune. Counts and times are bounds that protect the server, not the patient."""

    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")  # Host names answered, no port
    secure_cookie: bool = False  # True behind TLS: the session cookie then never travels in clear
    session_idle_s: float = 1800.0  # an open live view counts as use: a wall must not go dark
    session_max_s: float = 12 * 3600.0  # one shift; then sign in again whatever happened
    session_kept_s: float = 5.0  # what was read of a session holds so long; a sign-out elsewhere is seen within it
    sessions_max: int = 1000  # the oldest is ended to make room
    glass_s: float = 3600.0  # an identity may be read so long after the glass was broken
    code_s: float = 600.0  # a pairing code holds so long
    attempts: int = 5  # failed sign-ins per user name and address within the window below
    attempts_per_address: int = 30  # failed sign-ins per address, whatever the name
    attempts_window_s: float = 300.0
    live_max: int = 64  # screens at once
    heartbeat_s: float = 2.0  # the screen calls the link lost after three of them
    resync_s: float = 15.0  # a screen is told everything anew this often, should the feed have lost something
    resume_s: float = 15.0  # a screen that comes back is sent what frames it missed, so far back
    resume_alarms_max: int = 100  # and told which of so many latest alarms began and ended meanwhile
    send_timeout_s: float = 10.0  # a screen that takes nothing this long is dropped
    strip_max_s: float = 60.0  # longest stretch of signal in one answer
    overview_max_s: float = 7 * 86_400.0  # longest overview or trend in one answer
    burden_max_s: float = 31 * 86_400.0  # longest stretch that alarm burden is added up over
    list_max: int = 500  # longest list in one answer
    snapshot_alarms_max: int = 5000  # open alarms looked at at once; far more than a ward can have
    stations: tuple[str, ...] = ("ward",)  # places with screens of their own: a pause of one leaves the others alone
    pause_s: tuple[float, ...] = (60.0, 120.0)  # pauses of the sound that are offered
    pause_max_s: float = 120.0  # and the longest that is granted
    unheard_s: float = 1.0  # an alarm younger than this cannot have been heard: a pause does not silence it
    monitor_role: str = "monitor"  # whose heartbeat the banner watches

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
                raise Misconfigured(name, f"{value} must be above 0")
        if not self.stations or not all(station.strip() for station in self.stations):
            raise Misconfigured("stations", "must name at least one station")
        if not self.pause_s or not all(0 < seconds <= self.pause_max_s for seconds in self.pause_s):
            raise Misconfigured("pause_s", f"must be above 0 and at most pause_max_s {self.pause_max_s:g}")
        if self.session_kept_s > 5:
            raise Misconfigured("session_kept_s", f"{self.session_kept_s:g} is more than 5 s: who left would stay")
        if not self.allowed_hosts:
            raise Misconfigured("allowed_hosts", "must name at least one host")
