/* SPDX-License-Identifier: MIT */
/* The game: what a page foresees is what the server does, and a cut costs nobody his ship. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { World, apart } from "../../web/apps/game/world.js";
import { example, freePort, startProgram } from "../e2e/tools/duet.mjs";
import { WebSocket, cast, fitsAPhone, live, openWindow, shot, suitsEverybody, until } from "./tools.mjs";

describe("game", { timeout: 120000 }, () => {
    let all;
    before(async () => {
        all = await cast("/apps/game/", { own: "game", window: { viewport: { width: 900, height: 760 } } });
    });
    after(() => all?.close());

    /* What a page says once a second: its own ship, and those in sight by name. Runs in the page. */
    const told = () => ({
        ...document.getElementById("arena").dataset,
        players: Number(document.getElementById("players").textContent),
        points: Number(document.getElementById("points").textContent),
        sight: [...document.querySelectorAll("#sight li")]
            .map(li => ({ ...li.dataset, name: li.firstChild.textContent })),
    });

    const foxIs = state => all.fox.until(wanted => document.getElementById("state").dataset.state === wanted, state);

    async function call(page, name) {
        await page.evaluate(wanted => {
            document.getElementById("name").value = wanted;
            document.getElementById("call").requestSubmit();
        }, name);
    }

    /* Waits until each sees this one, at the place where it sees itself, once and under its name. */
    function meet(name, own, ...others) {
        return until(async () => {
            const [self, ...told_] = await Promise.all([own, ...others].map(page => page.evaluate(told)));
            return told_.every(({ sight }) => {
                const [ship, another] = sight.filter(one => one.id === self.id);
                return ship && !another && ship.name === name && ship.x === self.x && ship.y === self.y;
            }) && self;
        }, `all see ${name} where it is`, 20000);
    }

    test("three players see each other, under their names", async () => {
        const { ann, ben, fox } = all;
        await Promise.all([live(ann), live(ben), foxIs("live")]);
        await Promise.all([call(ann, "Ann"), call(ben, "Ben")]);
        await fox.evaluate(() => {
            document.getElementById("name").value = "Fox";
            document.getElementById("call").requestSubmit();
        });
        await Promise.all([meet("Ann", ann, ben, fox), meet("Ben", ben, ann, fox), meet("Fox", fox, ann, ben)]);
        assert.match(await ann.textContent("#latency"), /^\d+ ms$/);
        await shot(ann, "game");
    });

    test("keys fly, and the others see where to", async () => {
        const { ann, ben, fox } = all;
        const { x } = await meet("Ann", ann, ben, fox);
        await ann.focus("#arena");
        await ann.keyboard.down("ArrowRight");
        await until(async () => apart(x, (await ann.evaluate(told)).x) > 300, "it flies to the right");
        await ann.keyboard.up("ArrowRight");
        await meet("Ann", ann, ben, fox);
    });

    test("a finger flies, and another one fires", async () => {
        const { browser, demo } = all;
        const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
        const { page, close } = await openWindow(browser, `${demo.url}/apps/game/`, phone);
        let shots = 0;
        page.on("websocket", socket => socket.on("framesent", ({ payload: [kind, fires] }) => {
            shots += kind === 2 && fires === 1;
        }));
        const again = page.waitForEvent("websocket");
        await call(page, "Finger");
        await again;
        await live(page);
        await page.locator("#latency", { hasText: "ms" }).waitFor();
        const before = await page.evaluate(told);
        const [box, fire] = [await page.locator("#arena").boundingBox(), await page.locator("#fire").boundingBox()];
        const cdp = await page.context().newCDPSession(page);
        const touch = (type, ...points) => cdp.send("Input.dispatchTouchEvent", { type,
            touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
        const [at, button] = [[box.x + 100, box.y + 100], [fire.x + 30, fire.y + 30]];
        await touch("touchStart", at);
        await touch("touchMove", [at[0], at[1] + 60]);
        await touch("touchStart", [at[0], at[1] + 60], button);
        await until(async () => apart(before.y, (await page.evaluate(told)).y) > 300, "it flies down");
        await until(() => shots > 0, "it fires");
        await touch("touchEnd");
        await fitsAPhone(page);
        await close();
    });

    test("after a cut everybody has his own ship again, and there is no second one of it", async () => {
        const { ann, ben, fox, network } = all;
        const [before, firefox] = [await ben.evaluate(told), await fox.evaluate(told)];
        const { players } = await ann.evaluate(told);
        network.down();
        await ben.locator("#state[data-state=connecting]").waitFor();
        await foxIs("connecting");
        const { states } = await ann.evaluate(told);
        await until(async () => (await ann.evaluate(told)).states > Number(states) + 30, "Ann plays on");
        assert.equal((await ann.evaluate(told)).players, players, "their ships drift, and wait");
        network.up();
        await live(ben);
        await foxIs("live");
        await Promise.all([meet("Ben", ben, ann, fox), meet("Fox", fox, ann, ben)]);
        const [after, again] = [await ben.evaluate(told), await fox.evaluate(told)];
        assert.deepEqual([after.id, again.id], [before.id, firefox.id]);
        assert.ok(after.points >= before.points && again.points >= firefox.points, "points are kept");
        assert.equal((await ann.evaluate(told)).players, players);
    });

    test("a page that is loaded again has its ship again", async () => {
        const { ann } = all;
        const { id, players } = await ann.evaluate(told);
        await ann.reload();
        await until(async () => (await ann.evaluate(told)).id === id, "the same ship");
        await until(async () => (await ann.evaluate(told)).players === players, "and no other");
    });

    test("is for everybody", async () => {
        const { ann, complaints } = all;
        await suitsEverybody(ann);
        assert.deepEqual(complaints(), []);
    });
});

/* Without bots, and without pages: the clock is the server's own tick. */
describe("the game's server", { timeout: 60000, concurrency: true }, () => {
    let game;
    let url;
    before(async () => {
        const port = await freePort();
        url = `ws://127.0.0.1:${port}`;
        game = await startProgram(example("game"), ["--bots", "0", url], null,
                                  () => fetch(url.replace("ws", "http")).then(() => true, () => false));
    });
    after(() => game?.stop());

    /* One who takes a step for each state that comes, as `steps` (a list of [right, down]) has it, then flies nowhere.
     * No more than four are on their way, so that the server has room for each however busy this machine is. */
    async function play(name, { token = "", steps = [], says = true } = {}) {
        const player = { world: new World(), steps, names: [], closed: null, socket: new WebSocket(url) };
        const { world, socket } = player;
        socket.binaryType = "arraybuffer";
        socket.on("message", data => {
            const before = world.counts.states;
            world.take(data, performance.now());
            if (world.counts.states > before && says && world.pending.length < 4) {
                if (player.steps.length > 0)
                    player.last = world.number + 1;
                const [right, down] = player.steps.shift() ?? [0, 0];
                socket.send(world.steer(right, down, false, performance.now()));
            }
        });
        socket.on("close", code => { player.closed = code; });
        await new Promise((done, failed) => socket.once("open", done).once("error", failed));
        socket.send(World.join(token, name));
        await until(() => world.counts.states > 0, `${name} plays`);
        return player;
    }
    const done = player => until(() => player.steps.length === 0 &&
        !player.world.pending.some(({ number }) => number <= player.last), "all steps are taken");
    const sees = (player, other) => player.world.things.get(other.world.id)?.at.at(-1).tick === player.world.tick;

    test("what is foreseen is what happens, number for number", async () => {
        const steps = Array.from({ length: 90 }, () => [-90, 90].map(() => Math.floor(Math.random() * 179) - 89));
        const player = await play("Exact", { steps });
        await done(player);
        assert.deepEqual([player.world.counts.corrected, player.world.counts.jumps], [0, 0]);
        player.socket.close();
    });

    test("nobody hears of what is out of sight, and a name is told once", async () => {
        const near = await play("Near");
        const far = await play("Far");
        await until(() => sees(near, far) && near.world.names.get(far.world.id) === "Far", "they meet");
        near.world.names.clear();
        far.steps = Array.from({ length: 90 }, () => [127, 0]);
        await until(() => !sees(near, far) && !sees(far, near), "they have parted");
        assert.ok(Math.abs(apart(near.world.own.x, far.world.own.x)) > 7500);
        far.steps = Array.from({ length: 90 }, () => [-127, 0]);
        await until(() => sees(near, far), "they meet again");
        assert.equal(near.world.names.has(far.world.id), false);
        near.socket.close();
        far.socket.close();
    });

    test("the token brings the same ship, and the connection before it ends", async () => {
        const first = await play("Resumed");
        const { id, token } = first.world;
        first.socket.terminate();
        const second = await play("Resumed", { token });
        assert.deepEqual([second.world.id, second.world.token], [id, token]);
        const third = await play("Resumed", { token });
        await until(() => second.closed !== null, "the second is closed");
        assert.deepEqual([second.closed, third.world.id, third.closed], [1008, id, null]);
        const stranger = await play("Resumed", { token: token.replace(/^./, digit => digit === "0" ? "1" : "0") });
        assert.notEqual(stranger.world.id, id);
        third.socket.close();
        stranger.socket.close();
    });

    test("who sends more steps is not faster", async () => {
        const player = await play("Hasty", { says: false });
        const { world, socket } = player;
        const [{ x }, tick] = [world.own, world.tick];
        for (let i = 0; i < 100; i++)
            socket.send(world.steer(127, 0, false, 0));
        world.pending = [];
        await until(() => world.tick > tick + 8, "some ticks");
        assert.ok(apart(x, world.own.x) <= (8 + world.tick - tick) * 160, `${apart(x, world.own.x)} units`);
        player.socket.close();
    });

    test("who has not seen the last half second gets no more until he has", async () => {
        const player = await play("Behind", { says: false });
        const other = await play("Ahead");
        const { world, socket } = player;
        socket.send(world.steer(0, 0, false, 0));
        const { tick } = world;
        await until(() => other.world.tick > tick + 30, "a second");
        assert.ok(world.tick <= tick + 17, `${world.tick - tick} ticks`);
        socket.send(world.steer(0, 0, false, 0));
        await until(() => world.tick > tick + 30, "he is told how it is now");
        player.socket.close();
        other.socket.close();
    });

    test("what is no JOIN, or no INPUT behind it, ends with 1003", async () => {
        for (const message of ["text", Buffer.alloc(0), Buffer.from([1]), Buffer.alloc(33), Buffer.alloc(12, 2)]) {
            const socket = new WebSocket(url);
            socket.once("open", () => socket.send(message));
            assert.equal(await new Promise(ended => socket.once("close", ended)), 1003, message.toString());
        }
        const player = await play("Again");
        player.socket.send(World.join("", "Again"));
        await until(() => player.closed !== null, "it is closed");
        assert.equal(player.closed, 1003);
    });
});
