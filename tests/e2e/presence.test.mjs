/* SPDX-License-Identifier: MIT */
/* Who is said to be there when processes are killed (HUB-7), and how soon connections go when what is told of them is
 * slow (HUB-8). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { join as member } from "../../web/duet.js";
import { startBackend } from "./tools/backend.mjs";
import { connected as connectedTo, disconnectAll, fresh, subscribed } from "./tools/centrifuge.mjs";
import { startDuet, until } from "./tools/duet.mjs";

const TIMEOUT = { timeout: 60000 };
/* What an end may take. The backend would hold it for 5 s; sanitizers make all else slower. */
const END_MS = /\/[at]san$/.test(process.env.DUET_BUILD ?? "") ? 4000 : 1000;
const OPEN = `
clients: { ping: 1s, pong: 500ms }
channels:
  history_size: 20
  history_ttl: 10m
  allow_recovery: true
  presence: true
  join_leave: true
  allow_subscribe_for_anonymous: true
  allow_publish_for_anonymous: true
  allow_subscribe_for_client: true
  allow_presence_for_client: true
`;
/* A program of its own, of somebody in a channel. */
const MEMBER = `import { Centrifuge } from "centrifuge";
import WebSocket from "ws";
const [url, channel] = process.argv.slice(1);
const c = new Centrifuge(url + "/connection/websocket", { websocket: WebSocket });
c.newSubscription(channel).subscribe();
c.connect();`;
const folder = mkdtempSync(join(tmpdir(), "duet-presence-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function start(config, more = {}) {
    writeFileSync(join(folder, "duet.yaml"), config);
    return startDuet({ ...more, args: ["--config", join(folder, "duet.yaml"), ...more.args ?? []] });
}

async function ask(server, method, params) {
    const answer = await fetch(`${server.url}/api/${method}`, { method: "POST", body: JSON.stringify(params) });
    return (await answer.json()).result;
}

const present = async (server, channel) => Object.keys((await ask(server, "presence", { channel })).presence).sort();
const connections = async server => (await ask(server, "info", {})).nodes[0].num_clients;
const names = (sub, event) => sub.told.filter(([name]) => name === event).map(([, { info }]) => info.client);

describe("HUB-7: who is there when a process is killed", TIMEOUT, () => {
    afterEach(disconnectAll);

    for (const store of ["in memory", "on disk"])
        test(`nobody, when it is the server, ${store}, until he comes back, and then he is there once`, async () => {
            const args = store === "on disk" ? ["--data", join(folder, fresh("data"))] : [];
            let server = await start(OPEN, { args });
            const channel = fresh("room");
            const clients = await Promise.all([0, 1, 2].map(() => connectedTo("websocket", {}, server)));
            for (const c of clients)
                await subscribed(c, channel);
            assert.equal((await present(server, channel)).length, 3);
            const published = await ask(server, "publish", { channel, data: 1 });
            server.child.kill("SIGKILL");
            await Promise.all(clients.map(c => until(() => c.state === "connecting", "it is cut off")));
            clients.forEach(c => c.disconnect());
            assert.equal(await server.stop(), "SIGKILL");

            server = await start(OPEN, { args, port: server.port });
            try {
                if (store === "on disk") /* what was said is there, who was is not */
                    assert.deepEqual((await ask(server, "history", { channel })).offset, published.offset);
                assert.deepEqual(await present(server, channel), []);
                assert.deepEqual(await ask(server, "presence_stats", { channel }), { num_clients: 0, num_users: 0 });
                assert.equal(await connections(server), 0);
                const watcher = await connectedTo("websocket", {}, server);
                const seen = await subscribed(watcher, channel, { joinLeave: true });
                const ids = [];
                for (const c of clients) {
                    c.once("connected", context => ids.push(context.client));
                    const sub = c.getSubscription(channel);
                    c.connect();
                    await sub.ready(10000);
                }
                await until(() => names(seen, "join").includes(ids[2]), "the last one joins");
                assert.deepEqual(names(seen, "join").filter(id => ids.includes(id)), ids);
                assert.deepEqual(names(seen, "leave"), []);
                assert.equal((await present(server, channel)).length, 4);
            } finally {
                disconnectAll();
                await server.stop();
            }
        });

    test("nobody, when it is the client: he leaves once, also when he stands still before", async () => {
        /* Who watches has to answer, too, on a machine that is busy. */
        const server = await start(OPEN.replace("ping: 1s, pong: 500ms", "ping: 3s, pong: 2s"));
        const channel = fresh("room");
        const programs = [];
        const [page, joined, left] = [member(channel, { url: server.wsUrl, WebSocket, presence: true }), [], []];
        page.on("joined", ({ client }) => joined.push(client)).on("left", ({ client }) => left.push(client));
        await until(() => joined.includes(page.client), "the page joins itself");
        const watcher = await connectedTo("websocket", {}, server);
        const seen = await subscribed(watcher, channel, { joinLeave: true });
        const own = await present(server, channel);
        async function comes() {
            const before = names(seen, "join").length;
            const program = spawn(process.execPath, ["--input-type=module", "--eval", MEMBER, server.wsUrl, channel],
                                  { cwd: fileURLToPath(new URL(".", import.meta.url)), stdio: "ignore" });
            programs.push(program);
            await until(() => names(seen, "join").length > before, "it joins");
            return [program, names(seen, "join").at(-1)];
        }
        try {
            await until(() => names(seen, "join").length === 1, "the watcher joins itself");
            const [killed, first] = await comes();
            killed.kill("SIGKILL");
            await until(() => names(seen, "leave").length > 0, "who was killed leaves");
            assert.deepEqual(await present(server, channel), own);
            const [still, second] = await comes();
            still.kill("SIGSTOP"); /* and answers no ping */
            await until(() => names(seen, "leave").length > 1, "who stands still leaves");
            assert.deepEqual(await present(server, channel), own);
            still.kill("SIGKILL");
            const [last, third] = await comes();
            last.kill("SIGKILL");
            await until(() => names(seen, "leave").length > 2, "the last one leaves");
            assert.deepEqual(names(seen, "leave"), [first, second, third]);
            assert.deepEqual(names(seen, "join").slice(1), [first, second, third]);
            await until(() => left.length > 2, "the page hears of it, too");
            assert.deepEqual(left, [first, second, third]);
            assert.deepEqual(joined.slice(2), [first, second, third]);
        } finally {
            programs.forEach(program => program.kill("SIGKILL"));
            page.close();
            disconnectAll();
            await server.stop();
        }
    });
});

describe("HUB-8: what is told of the end of a connection is slow", TIMEOUT, () => {
    let backend;
    let server;
    const waiting = [];
    const never = () => new Promise(done => waiting.push(done));

    before(async () => {
        backend = await startBackend();
        server = await start(`hooks:
  subscribe: ${backend.url}/subscribe
  events: ${backend.url}/events
  timeout: 5s
${OPEN}  occupancy_hook: true
namespaces:
  - name: asked
    presence: true
    subscribe_hook: true
`);
        backend.say("events", never);
        backend.say("subscribe", never);
    });
    after(async () => {
        waiting.forEach(done => done(undefined));
        await server?.stop();
        await backend?.stop();
    });

    /* A member by a socket of its own; resolves once he is there. */
    async function member(channel) {
        const socket = new WebSocket(`${server.wsUrl}/connection/websocket`);
        const said = [];
        await new Promise((done, failed) => socket.once("open", done).once("error", failed));
        socket.on("message", text => said.push(String(text)));
        socket.send('{"id":1,"connect":{}}');
        await until(() => said.some(text => text.includes('"connect"')), "it is let in");
        socket.send(JSON.stringify({ id: 2, subscribe: { channel } }));
        return { socket, said };
    }

    /* By its Close, or without a word. Milliseconds until the server's end of the connection was gone. */
    async function ends({ socket }, way) {
        const since = performance.now();
        const gone = new Promise(done => socket.once("close", done));
        socket[way]();
        await gone;
        await until(async () => await connections(server) === 0, "its connection is gone");
        return performance.now() - since;
    }

    for (const way of ["close", "terminate"])
        test(`a client comes and goes (${way}) twenty times, and has one connection at most`, async () => {
            const channel = fresh("room");
            const times = [];
            for (let i = 0; i < 20; i++) {
                const one = await member(channel);
                await until(() => one.said.some(text => text.includes('"subscribe"')), "it is subscribed");
                assert.equal(await connections(server), 1);
                assert.equal((await present(server, channel)).length, 1);
                times.push(await ends(one, way));
                assert.deepEqual(await present(server, channel), []);
            }
            await until(() => backend.of("events").length > 0, "the backend is told");
            /* It still waits for its answer, as it does for seconds; none of these has waited with it. */
            assert.ok(times.every(ms => ms < END_MS), String(times));
        });

    for (const way of ["close", "terminate"])
        test(`who ends (${way}) while the backend is asked about him does not wait for it`, async () => {
            const channel = `asked:${fresh("room")}`;
            const before = backend.of("subscribe").length;
            const one = await member(channel);
            await until(() => backend.of("subscribe").length > before, "the backend is asked");
            assert.ok(await ends(one, way) < END_MS);
            assert.deepEqual(await present(server, channel), []);
        });
});
