/* SPDX-License-Identifier: MIT */
/* npm's ws, as its manual has echoes and broadcasts: BENCH_MODULES=FOLDER ws.mjs echo|fan PORT */
import { createRequire } from "node:module";

const require = createRequire(process.env.BENCH_MODULES + "/");
const { WebSocketServer } = require("ws");

const [mode, port] = process.argv.slice(2);
const perMessageDeflate = process.env.BENCH_DEFLATE
    ? { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true, zlibDeflateOptions: { level: 1 } }
    : false;
const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 4096, perMessageDeflate });

server.on("connection", socket => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => {
        if (mode === "echo")
            socket.send(data, { binary });
        else
            for (const member of server.clients)
                member.send(data, { binary });
    });
});
