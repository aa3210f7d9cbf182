/* SPDX-License-Identifier: MIT */
/* A TCP relay whose wires can be cut, fall silent, or lead elsewhere. */
import { connect, createServer } from "node:net";

/*
 * Returns { port, url, wsUrl, cut(), down(), up(), silence(up, down), speak(), hold(), release(), lead(port), stop() }.
 *
 * cut() resets every connection that is open, down() refuses new ones, too, until up(); stop() ends it. silence()
 * swallows what comes from then on, from the client (`up`) or from the server (`down`), without a word to anybody; a
 * connection that was silent stays so when speak() lets new ones speak. hold() reads nothing more of what the server says
 * until release(). Behind lead() new connections go to another port.
 */
export function startRelay(port) {
    const wires = new Set();
    let target = port;
    let silent = { up: false, down: false };
    let isDown = false;
    const pass = (wire, from, to, direction) => {
        from.on("data", data => {
            if (wire[direction] || to.destroyed || to.write(data))
                return;
            from.pause();
            to.once("drain", () => { if (!wire.held || from !== wire.far) from.resume(); });
        });
        from.on("error", () => {}).on("end", () => to.end()).on("close", () => { wires.delete(wire); to.destroy(); });
    };
    const server = createServer({ allowHalfOpen: true }, near => {
        if (isDown) {
            near.destroy();
            return;
        }
        const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
        const wire = { near, far, ...silent, held: false };
        wires.add(wire);
        pass(wire, near, far, "up");
        pass(wire, far, near, "down");
    });
    const each = what => { for (const wire of [...wires]) what(wire); };
    const cut = () => each(({ near, far }) => { near.destroy(); far.destroy(); });
    const down = () => { isDown = true; cut(); };
    const up = () => { isDown = false; };
    const silence = (up, down) => {
        silent = { up, down };
        each(wire => { wire.up ||= up; wire.down ||= down; });
    };
    const speak = () => { silent = { up: false, down: false }; };
    const hold = () => each(wire => { wire.held = true; wire.far.pause(); });
    const release = () => each(wire => { wire.held = false; wire.far.resume(); });
    const lead = where => { target = where; };
    const stop = () => { cut(); return new Promise(done => server.close(done)); };
    return new Promise(done => server.listen(0, "127.0.0.1", () => {
        const own = server.address().port;
        done({ port: own, url: `http://127.0.0.1:${own}`, wsUrl: `ws://127.0.0.1:${own}`, cut, down, up, silence, speak, hold,
               release, lead, stop });
    }));
}
