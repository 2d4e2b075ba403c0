"""One run of a simulated mesh: acts in which faults strike, and what must hold after.

After each act everything is healed, the mesh must become whole, what is owed must have
come, and all gateways must agree; at the end nothing may be left.
"""

from __future__ import annotations

import random

from hubbub.actors.messages import commands
from hubbub.actors.messages.mesh import LinkState, Pace
from support import simulation_inside as inside
from support.simulation_actions import USERS, Actions, is_held_up
from support.simulation_codec import through_the_codec
from support.simulation_faults import Faults, Outages
from support.simulation_model import Model, Stay
from support.simulation_world import ANSWER_TIME, Process, World


class Broken(Exception):  # noqa: N818 - a finding, not an error of the program
    """Nothing more can be learnt from this run."""


class Story:
    """One run.

    Args:
        seed: All that is random comes from it.
        tell: Whether to write down what happens.
    """

    def __init__(self, seed: int, *, tell: bool) -> None:
        self.chance = chance = random.Random(f"{seed}/scenario")
        self.mood = chance.choices(("calm", "gentle", "rough"), (1, 3, 4))[0]
        delays = chance.choice(((0.0, 0.0), (0.0, 0.02), (0.001, 0.2)))
        knowing, tight = chance.choice((1.0, 6.0)), chance.random() < 0.5
        pace = Pace(
            heartbeat=1.0,
            silence=5.0,
            # A queue that is soon full must bear the longest gentle cut.
            stall=4.0 if tight else 2.0,
            knowing=knowing,
            answer=knowing + 2.0,
            queue_bytes=1000 if tight else 16 << 20,
        )
        passing = through_the_codec(seed)
        self.world = world = World(seed, pace, delays, passing, tell=tell)
        self.outages = Outages(world.loop.time, pace, delays[1])
        self.model = Model(world, self.outages)
        self.faults = Faults(world, self.outages, chance)
        self.actions = Actions(world, self.outages, self.model, chance)
        self.faults.last_words = self.actions.publish_to_all_groups

    def play(self) -> None:
        """Play all acts, and the end."""
        world = self.world
        world.note("mood", self.mood, "delays", self.world.network.delays, world.pace)
        first, *others = world.processes
        first.start(others if self.chance.random() < 0.5 else [])
        for process in others:
            process.start([first])
        self.become_whole()
        for process in world.processes:
            self.actions.publish_by_rest(process, commands.Everyone())  # starts its hub
        world.loop.advance(self.outages.recovery)
        # All begin alike, and so does whoever takes the place of one.
        before = inside.census(first)
        for _ in range(5):
            self.actions.connect()
        self.actions.attach()
        world.loop.advance(1.0)
        for number in range(2 if self.mood == "rough" else 1):
            self.act(number)
        self.finish(before)

    def end(self) -> None:
        """Let everything go."""
        self.world.end()
        self.faults.forget()

    def act(self, number: int) -> None:
        """Let things happen, then heal everything and check."""
        chance, world = self.chance, self.world
        world.note("act", number + 1)
        for _ in range(chance.randrange(20, 50)):
            world.loop.advance(chance.expovariate(8.0))
            if self.mood != "calm" and chance.random() < 0.08:
                self.faults.strike(rough=self.mood == "rough")
            else:
                self.actions.act()
            if self.model.faults:
                raise Broken
        self.heal()
        # Until everyone has noticed what there was to notice.
        world.loop.advance(self.outages.slack)
        self.become_whole()
        self.come_to_rest()
        self.agree()

    # The end of an act.

    def heal(self) -> None:
        """End all faults; let processes that leave do so, and come back."""
        self.world.note("all is healed")
        self.faults.end_all()
        for _ in range(40):
            if all(one.up and not one.leaving for one in self.world.processes):
                return
            self.world.loop.advance(0.25)
            self.faults.end_all()
        self._break("a process cannot leave, or not come back")

    def become_whole(self) -> None:
        """Wait until every gateway sees every other."""
        world = self.world
        most = world.pace.silence + 2 * self.outages.recovery
        end = world.now + most
        while not all(self._sees_all(process) for process in world.processes):
            if world.now >= end:
                self._break("the mesh does not become whole")
            world.loop.advance(0.25)
        world.note("the mesh is whole")

    def _sees_all(self, process: Process) -> bool:
        view = process.view()
        if view is None:
            return False
        up = {peer.gateway for peer in view.peers if peer.state is LinkState.UP}
        others = {one.gateway_id for one in self.world.processes if one is not process}
        return others == up

    def come_to_rest(self) -> None:
        """Wait until all is answered, and what was lost would have come again."""
        world = self.world
        world.loop.advance(self.outages.recovery)
        end = world.now + ANSWER_TIME + 2 * world.pace.answer
        while self._waits() and world.now < end:
            world.loop.advance(0.5)
        self.model.check_owed()
        self.model.check_answered()
        self._check_paid()
        if self.model.faults:
            raise Broken

    def _waits(self) -> bool:
        model = self.model
        return (
            any(client.pending for client in model.clients)
            or any(one.retiring or one.ready is None for one in model.servers)
            or any(paid.is_alive for paid in self.actions.waiting)
        )

    def _check_paid(self) -> None:
        for paid in self.actions.waiting:
            if paid.is_alive:
                self.model.broken(f"{paid.process} never answered {paid.what}")
        self.actions.waiting.clear()

    def agree(self) -> None:
        """Check that all gateways agree about who is where, from within and without."""
        world, model = self.world, self.model
        self._resolve()
        for text in inside.disagreements(world):
            model.broken(text)
        for client in model.clients:
            inside_groups = inside.groups_of(client)
            groups = sorted(client.stays)
            if sorted(inside_groups) != groups:
                text = f"{client} should be in {groups}, is in {inside_groups}"
                model.broken(text)
        for process in world.processes:
            self.actions.publish_to_all_groups(process)
            for user in USERS:
                self.actions.publish_by_rest(process, commands.ToUser(user))
            self.actions.publish_by_rest(process, commands.Everyone())
        world.loop.advance(self.outages.slack)
        model.check_owed()
        self._check_paid()
        for process in world.processes:
            if is_held_up(process):
                model.broken(f"{process} holds up its clients for nothing")
        if model.faults:
            raise Broken

    def _resolve(self) -> None:
        """Look who is in a group where an answer got lost: nobody else can know."""
        for client in self.model.clients:
            for group in client.busy:
                client.stays.pop(group, None)
                if group in inside.groups_of(client):
                    stay = Stay(0.0)
                    stay.known = 0.0
                    client.stays[group] = [stay]
            client.busy.clear()

    def finish(self, before: inside.Census) -> None:
        """Let everybody go; nothing must be left of them."""
        world, model = self.world, self.model
        for client in tuple(model.clients):
            client.disconnect()
        for server in tuple(model.servers):
            server.leave()
        world.loop.advance(self.outages.recovery)
        for text in inside.disagreements(world):
            model.broken(text)
        for process in world.processes:
            for text in inside.leftovers(process, before):
                model.broken(text)

    def _break(self, text: str) -> None:
        self.model.broken(text)
        raise Broken
