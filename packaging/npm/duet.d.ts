/* SPDX-License-Identifier: MIT */
/** Where a channel stands: "offline" says that the machine has no network, "ended" that it does not come back. */
export type State = "connecting" | "catching up" | "live" | "offline" | "ended";

export interface Options {
    /** "wss://example.com"; the page's own server without it. */
    url?: string;
    /** So many of the newest messages come first. */
    last?: number;
    /** A position to go on from, as `Channel.position` has it. */
    since?: string | null;
    /** false: only to speak. Nothing of the channel is heard, and it need not be allowed to. */
    listen?: boolean;
    /** true: who comes and goes is told, where the channel does that (`join_leave`). */
    presence?: boolean;
    /** A connection token, or who gives one whenever it connects. */
    token?: string | (() => string | Promise<string>);
    /** The first wait before it comes back, in ms, which doubles: 500. */
    first?: number;
    /** The longest: 15000. */
    most?: number;
    /** Another WebSocket than the global one. */
    WebSocket?: new (url: string, protocols: string[]) => WebSocket;
}

export interface Who {
    user: string;
    client: string;
    conn_info?: unknown;
}

export interface Message {
    /** What was said: JSON, text or bytes. */
    data?: unknown;
    text?: string;
    bytes?: Uint8Array;
    /** Its place in the channel, where that keeps a history. */
    offset?: number;
    /** When the server took it, in ms since 1970. */
    time: number;
    who?: Who;
    /** It was said before this connection was up to date. */
    missed: boolean;
}

export interface Welcome {
    channel: string;
    client: string;
    epoch?: string;
    offset?: number;
    recovered?: boolean;
}

export declare class Channel {
    readonly channel: string;
    readonly client: string;
    /** "EPOCH:OFFSET"; null where the channel keeps no history. */
    readonly position: string | null;
    readonly state: State;
    readonly open: boolean;
    on(what: "message", listener: (message: Message) => void): this;
    on(what: "joined" | "left", listener: (who: Who) => void): this;
    on(what: "state", listener: (state: State) => void): this;
    /** Not all that was missed is kept any more. */
    on(what: "lost", listener: (welcome: Welcome) => void): this;
    on(what: "welcome", listener: (welcome: Welcome) => void): this;
    /** What was sent was refused, or it could not connect (code 0). */
    on(what: "error", listener: (error: { code: number; message: string }) => void): this;
    /** It does not come back. */
    on(what: "end", listener: (why: { code: number; reason: string }) => void): this;
    /** False: a hundred wait already, or it has ended. */
    send(message: unknown): boolean;
    retry(): void;
    close(): void;
}

/** Becomes a member of a channel. */
export declare function join(channel: string, options?: Options): Channel;
