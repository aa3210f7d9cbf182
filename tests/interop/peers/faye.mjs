/* SPDX-License-Identifier: MIT */
/* npm's faye-websocket, both roles; without its extension for compressing, which is a package apart. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecure } from "node:https";
import WebSocket from "faye-websocket";

const { INTEROP_CERT: cert, INTEROP_KEY: key, INTEROP_CA: ca } = process.env;

function echo(socket) {
    let messages = 0, octets = 0;
    socket.on("open", () => console.log("open", socket.protocol));
    socket.on("message", ({ data }) => {
        messages++;
        octets += Buffer.byteLength(data);
        if (data === "!close")
            socket.close(1000, "from the peer");
        else if (data === "!ping")
            socket.ping("here", () => socket.send("pong"));
        else
            socket.send(data);
    });
    socket.on("error", error => console.log("error", error.message));
    socket.on("close", ({ code, reason }) => console.log("closed", code, messages, octets, reason));
}

if (process.argv[2] === "server") {
    const http = cert ? createSecure({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer();
    http.on("upgrade", (request, socket, body) => echo(new WebSocket(request, socket, body, ["interop.v1"])));
    http.listen(0, "127.0.0.1", () => console.log("port", http.address().port));
} else {
    echo(new WebSocket.Client(process.argv[3], ["elsewhere.v1", "interop.v1"], { tls: { ca: ca && readFileSync(ca) } }));
}
