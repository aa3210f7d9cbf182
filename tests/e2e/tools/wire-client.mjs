/* SPDX-License-Identifier: MIT */
/* wire-client.mjs URL N: npm's ws publishes numbers, one at a time, each when the last came back; at the end it prints
 * { "got": [...], "code": 1006 } as JSON. */
import WebSocket from "ws";

const [url, most] = process.argv.slice(2);
const got = [];
const socket = new WebSocket(url);
let ended = false;

socket.on("open", () => socket.send("0"));
socket.on("message", data => {
    got.push(Number(data));
    if (got.length === Number(most))
        socket.close(1000);
    else
        socket.send(String(got.length));
});
socket.on("error", () => {}); /* "close" follows */
socket.on("close", code => {
    if (!ended)
        console.log(JSON.stringify({ got, code }));
    ended = true;
});
