/* SPDX-License-Identifier: MIT */
/* tools/scenarios.mjs with the npm `centrifuge` client in Node. */
import { after, before, describe, test } from "node:test";
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { scenarios, toolsOf } from "./tools/scenarios.mjs";
import { openStage } from "./tools/stage.mjs";

describe("centrifuge in Node", { concurrency: true }, () => {
    for (const way of ["websocket", "http_stream", "sse"])
        describe(`over ${way}`, { concurrency: 1 }, () => {
            let stage;
            before(async () => { stage = await openStage(); });
            after(() => stage?.stop());

            for (const [name, scenario] of Object.entries(scenarios))
                test(name, { timeout: 90000 }, async () => {
                    const t = toolsOf({ Centrifuge, way, options: { websocket: WebSocket, eventsource: EventSource },
                                        places: stage.places, prefix: process.pid,
                                        call: async (what, ...args) => stage.calls[what](...args) });
                    try {
                        await scenario(t);
                    } finally {
                        t.close();
                    }
                });
        });
});
