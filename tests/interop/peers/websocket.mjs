/* SPDX-License-Identifier: MIT */
/* npm's websocket (WebSocket-Node), both roles. It knows no permessage-deflate. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecure } from "node:https";
import websocket from "websocket";

const { INTEROP_CERT: cert, INTEROP_KEY: key, INTEROP_CA: ca } = process.env;
const options = { maxReceivedFrameSize: 1 << 21, maxReceivedMessageSize: 1 << 21 };

/* With fragments of 16 KiB what is long leaves in pieces. */
function echo(socket) {
    let messages = 0, octets = 0;
    console.log("open", socket.protocol);
    socket.on("message", ({ type, utf8Data, binaryData }) => {
        messages++;
        octets += Buffer.byteLength(type === "utf8" ? utf8Data : binaryData);
        if (utf8Data === "!close")
            socket.close(1000, "from the peer");
        else if (utf8Data === "!ping")
            socket.ping("here");
        else if (type === "utf8")
            socket.sendUTF(utf8Data);
        else
            socket.sendBytes(binaryData);
    });
    socket.on("pong", () => socket.sendUTF("pong"));
    socket.on("error", error => console.log("error", error.message));
    socket.on("close", (code, reason) => console.log("closed", code, messages, octets, reason));
}

if (process.argv[2] === "server") {
    const http = cert ? createSecure({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer();
    new websocket.server({ httpServer: http, keepalive: false, ...options })
        .on("request", request => echo(request.accept("interop.v1", request.origin)));
    http.listen(0, "127.0.0.1", () => console.log("port", http.address().port));
} else {
    const client = new websocket.client({ tlsOptions: { ca: ca && readFileSync(ca) }, ...options });
    client.on("connect", echo);
    client.on("connectFailed", error => console.log("error", error.message));
    client.connect(process.argv[3], ["elsewhere.v1", "interop.v1"]);
}
