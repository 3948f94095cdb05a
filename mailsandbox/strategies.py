"""Hypothesis strategies: what a server may do to an application.

For properties such as "whatever the server does, my app neither crashes, loses nor doubles a mail":

    @given(fault_scripts())
    def test_signup(faults):
        with mailsandbox.capture(app) as box:
            for fault in faults:
                box.smtp.add(fault)
            ...

Needs hypothesis, which mailsandbox does not install.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mailsandbox.faults import Action, Drop, Fault, Reply, Stage, StoreThenDrop

_TEMPORARY = Reply(451, "4.3.0 Try again later")
_PERMANENT = Reply(550, "5.7.1 Refused")
_CLOSING = Reply(421, "4.3.2 Shutting down")
_STAGES = (Stage.CONNECT, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE, Stage.QUIT)


def faults() -> SearchStrategy[Fault]:
    """One fault that a client meets at once: replies, drops and lost replies, at any stage of a plain session.

    Nothing here waits: hanging and slow servers cost a test its client's timeout, so they are asked for by name.
    Shrinks towards a temporary reply at CONNECT that acts once.
    """
    return st.sampled_from(_STAGES).flatmap(_fault)


def _fault(stage: Stage) -> SearchStrategy[Fault]:
    actions: list[Action] = [_TEMPORARY, _PERMANENT, _CLOSING, Drop()]
    if stage is Stage.MESSAGE:
        actions.append(StoreThenDrop())
    drops = st.integers(0, 500).map(Drop) if stage is Stage.DATA else st.nothing()
    return st.builds(
        Fault,
        st.just(stage),
        st.sampled_from(actions) | drops,
        times=st.sampled_from([1, 2, None]),
        after=st.integers(0, 2),
        optional=st.just(True),
    )


def fault_scripts(max_size: int = 4) -> SearchStrategy[list[Fault]]:
    """Up to `max_size` faults for one server, in the order in which they have their say."""
    return st.lists(faults(), max_size=max_size)
