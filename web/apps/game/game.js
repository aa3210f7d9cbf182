/* SPDX-License-Identifier: MIT */
/* The game's page: what the player does goes to the server thirty times a second; what is drawn comes from world.js. */
import { byId, make, showState } from "/wire.js";
import { Line } from "/apps/line.js";
import { WINDOW, needs, remember, remembered } from "/apps/state.js";
import { Arena } from "/apps/game/draw.js";
import { STEP_MS, World, apart } from "/apps/game/world.js";

const STICK_PX = 60;    /* so far from where it was put down, a finger steers with all force */
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
               KeyA: [-1, 0], KeyD: [1, 0], KeyW: [0, -1], KeyS: [0, 1], Space: [0, 0] };

const world = new World();
world.heading = { right: 127, down: 0 };
const canvas = byId("arena");
const arena = new Arena(canvas);
const held = new Set();     /* keys; Space, which fires, is the button's, too */
let stick = null;           /* { id, x, y, right, down } of a finger */
let steppedAt = performance.now();
let jumps = 0;

byId("name").value = remembered("game.name") || `Pilot ${1000 + Math.floor(Math.random() * 9000)}`;

const line = new Line("game", {
    state: showState,
    /* The token outlives this page while its window is open: reloaded, it has its ship again. */
    open: () => line.send(World.join(world.token ?? remembered("game.token", WINDOW), byId("name").value)),
    message(data) {
        const { welcome, scores } = world.take(data, performance.now());
        if (welcome) {
            remember("game.token", world.token, WINDOW);
            line.live();
        }
        if (scores)
            show();
    },
});

/* What the player does */

function direction() {
    if (stick)
        return stick;
    let [x, y] = [0, 0];
    for (const key of held)
        [x, y] = [x + KEYS[key][0], y + KEYS[key][1]];
    const length = Math.hypot(x, y) || 1;
    return { right: Math.trunc(x / length * 127), down: Math.trunc(y / length * 127) };
}

canvas.onkeydown = event => {
    if (!(event.code in KEYS) || event.ctrlKey || event.metaKey || event.altKey)
        return;
    held.add(event.code);
    event.preventDefault();
};
canvas.onkeyup = event => void held.delete(event.code);
canvas.onblur = () => held.clear();

canvas.onpointerdown = event => {
    canvas.focus();
    canvas.setPointerCapture(event.pointerId);
    stick = { id: event.pointerId, x: event.clientX, y: event.clientY, right: 0, down: 0 };
    event.preventDefault();
};
canvas.onpointermove = event => {
    if (event.pointerId !== stick?.id)
        return;
    const [x, y] = [event.clientX - stick.x, event.clientY - stick.y];
    const force = 127 / Math.max(STICK_PX, Math.hypot(x, y));
    [stick.right, stick.down] = [Math.trunc(x * force), Math.trunc(y * force)];
};
canvas.onpointerup = canvas.onpointercancel = event => {
    if (event.pointerId === stick?.id)
        stick = null;
};
const fire = byId("fire");
fire.onpointerdown = () => void held.add("Space");
fire.onpointerup = fire.onpointercancel = fire.onpointerleave = () => void held.delete("Space");

byId("call").onsubmit = event => {
    event.preventDefault();
    remember("game.name", byId("name").value);
    line.again(); /* the same ship, by its token, under another name */
    canvas.focus();
};

/* Each frame: the steps that are due, then the picture */

function frame() {
    const now = performance.now();
    requestAnimationFrame(frame);
    if (now - steppedAt > 8 * STEP_MS)
        steppedAt = now - STEP_MS; /* the page was hidden: its ship waited */
    for (; now - steppedAt >= STEP_MS; steppedAt += STEP_MS) {
        const { right, down } = direction();
        if (Math.hypot(right, down) > 64)
            world.heading = { right, down };
        if (line.state === "live")
            line.send(world.steer(right, down, held.has("Space"), now));
    }
    arena.draw(world, (now - steppedAt) / STEP_MS, now);
    if (world.counts.jumps > jumps) {
        jumps = world.counts.jumps;
        byId("news").textContent = "You were hit, and begin elsewhere.";
    }
}

/* Once a second, with the scores */

function show() {
    const { players, late, lines } = world.scores;
    const answers = [...world.answers].sort((a, b) => a - b);
    byId("latency").textContent = answers.length ? `${Math.round(answers[answers.length >> 1])} ms` : "–";
    byId("late").textContent = `${late.toFixed(1)} ms`;
    byId("players").textContent = players.toLocaleString("en");
    byId("corrected").textContent = world.counts.corrected.toLocaleString("en");
    byId("top").replaceChildren(...lines.map(({ id, points, name }) =>
        make("li", { className: id === world.id ? "you" : "" }, make("span", {}, name),
             make("span", {}, String(points)))));
    byId("points").textContent = world.points.toLocaleString("en");
    byId("sight").replaceChildren(...inSight().map(({ id, x, y, name, far }) =>
        make("li", { dataset: { id, x, y } }, make("span", {}, name), make("span", {}, String(far)))));
    Object.assign(canvas.dataset, { id: world.id, x: world.own.x, y: world.own.y, states: world.counts.states });
}

/* The ships in sight, the nearest first, and how many of their lengths away they are. */
function inSight() {
    return [...world.shown(performance.now())].filter(thing => thing.what === "ship")
        .map(({ id, x, y }) => ({ id, x, y, name: world.names.get(id) ?? "",
                                  far: Math.round(Math.hypot(apart(world.own.x, x), apart(world.own.y, y)) / 320) }))
        .sort((a, b) => a.far - b.far).slice(0, 10);
}

await needs("game", "game");
canvas.focus({ preventScroll: true });
requestAnimationFrame(frame);
