/* SPDX-License-Identifier: MIT */
/* What the pages share: addresses, random names, elements, and the head of a frame taken apart. */

export const opcodes = { 0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" };

export function socketURL(path) {
    return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}

/* getRandomValues is there on plain http too, where randomUUID and subtle are not. */
export function randomHex(bytes) {
    return hex(crypto.getRandomValues(new Uint8Array(bytes)), "");
}

export function hex(bytes, between = " ") {
    return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join(between);
}

export function unhex(text) {
    return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], pair => parseInt(pair, 16));
}

export function byId(id) {
    return document.getElementById(id);
}

/* An element with properties and children. Strings become text nodes, never markup. */
export function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    const { dataset, ...rest } = properties;
    Object.assign(element, rest);
    Object.assign(element.dataset, dataset);
    element.append(...children);
    return element;
}

export function draw(tag, attributes = {}) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    return element;
}

export function showState(state) {
    const chip = byId("state");
    chip.dataset.state = state;
    chip.textContent = state;
}

/*
 * The fields of a frame head (RFC 6455 5.2) out of its bytes, or null if they are too few. `length` is the
 * payload's; `extended` holds the bytes of a 16 or 64 bit length, `key` the masking key or null.
 */
export function frameHead(bytes) {
    if (bytes.length < 2)
        return null;
    const short = bytes[1] & 0x7f;
    const masked = bytes[1] >> 7;
    const wide = { 126: 2, 127: 8 }[short] ?? 0;
    if (bytes.length < 2 + wide + 4 * masked)
        return null;
    const extended = bytes.slice(2, 2 + wide);
    return {
        bytes,
        fin: bytes[0] >> 7,
        rsv: (bytes[0] >> 4) & 7,
        opcode: bytes[0] & 15,
        masked,
        short,
        extended,
        length: wide ? extended.reduce((sum, byte) => sum * 256 + byte, 0) : short,
        key: masked ? bytes.slice(2 + wide, 6 + wide) : null,
    };
}
