/* SPDX-License-Identifier: MIT */
import { backendURL } from "../state.js";

/* Promises a fresh token of this user: a socket of the backend (examples/notify.c) tells it, and ends. */
export async function tokenOf(user) {
    const door = await backendURL("notify");
    if (!door)
        throw new Error("there is nobody who gives a token");
    return new Promise((done, failed) => {
        const socket = new WebSocket(`${door}/?user=${user}`);
        socket.onmessage = event => done(event.data);
        socket.onclose = () => failed(new Error("no token was given"));
    });
}
