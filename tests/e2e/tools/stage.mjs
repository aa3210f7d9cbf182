/* SPDX-License-Identifier: MIT */
/* What stands around a client in tools/scenarios.mjs: servers, relays in front of them, and the backend's API. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { token } from "./centrifuge.mjs";
import { startDuet } from "./duet.mjs";
import { startRelay } from "./relay.mjs";

const SECRET = "0123456789abcdef0123456789abcdef";
const OPEN = ["history_size: 300", "history_ttl: 10m", "allow_recovery: true", "presence: true", "join_leave: true",
              "allow_subscribe_for_client: true", "allow_publish_for_client: true", "allow_history_for_client: true",
              "allow_presence_for_client: true", "allow_subscribe_for_anonymous: true"];
const space = (name, ...more) => `  - name: ${name}\n${more.map(line => `    ${line}\n`).join("")}`;
const CONFIG = (folder, ping) => `origins: ["*"]
deflate: false
tokens: { secret_file: ${join(folder, "secret")} }
clients: { ping: ${ping}, pong: 2s }
channels: { ${OPEN.join(", ")} }
namespaces:
${space("closed")}${space("big", ...OPEN, "message_max: 8MiB")}${space("short", ...OPEN.slice(1), "history_size: 5")}\
${space("delta", ...OPEN, "delta_publish: true", "allowed_delta_types: [fossil]")}\
${space("tags", ...OPEN, "allow_tags_filter: true")}`;

/* Returns { calls, places, stop() }: `calls` are what a scenario asks for by name, `places` where its clients go. */
export async function openStage() {
    const folder = mkdtempSync(join(tmpdir(), "duet-e2e-"));
    const file = name => join(folder, name);
    writeFileSync(file("secret"), SECRET, { mode: 0o600 });
    writeFileSync(file("calm.yaml"), CONFIG(folder, "25s"));
    writeFileSync(file("pinging.yaml"), CONFIG(folder, "1s"));
    const serve = (kind, ...more) => startDuet({ args: ["--config", file(`${kind}.yaml`), ...more] });
    const servers = { calm: await serve("calm"), pinging: await serve("pinging") };
    const relays = { calm: await startRelay(servers.calm.port), pinging: await startRelay(servers.pinging.port) };
    const place = ({ url, wsUrl }) => ({ url, wsUrl });
    const api = async (method, body, server = servers.calm) => {
        const answer = await fetch(`${server.url}/api/${method}`, { method: "POST", body: JSON.stringify(body) });
        return answer.json();
    };
    const calls = {
        api,
        api_of: (kind, method, body) => api(method, body, servers[kind]),
        /* One by one: a batch is one turn of the server, and under ThreadSanitizer a long one. */
        flood: async (channel, count, size) => {
            const text = "x".repeat(size);
            for (let n = 1; n <= count; n++)
                await api("publish", { channel, data: { n, text } });
        },
        token: (claims, seconds) => token(SECRET, claims, seconds),
        relay: (kind, what, ...args) => { relays[kind][what](...args); },
        /* A server of its own with a store, behind a relay of its own. */
        found: async () => {
            servers.mortal = await serve("calm", "--data", file("store"));
            relays.mortal = await startRelay(servers.mortal.port);
            return place(relays.mortal);
        },
        /* It drains, and its relay leads to another one, of the same store (`heir`) or of none. */
        succeed: async (heir) => {
            const old = servers.mortal;
            const other = heir ? null : await serve("calm");
            relays.mortal.lead(other ? other.port : 1);
            const code = await old.stop();
            servers.mortal = other ?? await serve("calm", "--data", file("store"));
            relays.mortal.lead(servers.mortal.port);
            return code;
        },
        end: async () => {
            await relays.mortal?.stop();
            await servers.mortal?.stop();
            delete relays.mortal;
            delete servers.mortal;
            rmSync(file("store"), { recursive: true, force: true });
        },
    };
    const stop = async () => {
        await Promise.all(Object.values(relays).map(relay => relay.stop()));
        await Promise.all(Object.values(servers).map(server => server.stop()));
        rmSync(folder, { recursive: true });
    };
    return { calls, places: { calm: place(relays.calm), pinging: place(relays.pinging) }, stop };
}
