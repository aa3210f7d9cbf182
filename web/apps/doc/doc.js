/* SPDX-License-Identifier: MIT */
/* The page of shared editing: a document (shared.js) with its text (editor.js) and its board (board.js), and who is there. */
import { prepare } from "/apps/canvas.js";
import { tidyName } from "/apps/here.js";
import { remember, remembered } from "/apps/state.js";
import { byId, make, showState } from "/wire.js";

const NAME_LENGTH = 40;
const PAUSE_MS = 800;
const ORIGIN = "page";      /* what is changed here, to Yjs */
const me = { name: remembered("duet-name") || `Guest ${Math.floor(Math.random() * 900) + 100}` };

function tidyDocument(text) {
    return text.trim().toLowerCase().replace(/[^a-z0-9_.-]+/g, "-").slice(0, NAME_LENGTH).replace(/^[-.]+|[-.]+$/g, "");
}

/* What is bundled of npm may not be there: then everything else of the server is. */
async function libraries() {
    try {
        const [{ Shared }, { Editor }, { Board }, { People }, { UndoManager }] = await Promise.all(
            ["./shared.js", "./editor.js", "./board.js", "./people.js", "./yjs.js"].map(file => import(file)));
        return { Shared, Editor, Board, People, UndoManager };
    } catch {
        byId("missing").hidden = false;
        byId("missing").textContent = "Yjs is not here, so nothing can be written. It comes from npm when Duet is built: with Node 18 "
            + "and npm on the machine, `make` builds it in.";
        showState("ended");
        return null;
    }
}

function open(name, { Shared, Editor, Board, People, UndoManager }) {
    const shared = new Shared(name, { state: showState, changed: show, refused: showRefusal });
    const text = shared.doc.getText("text");
    const strokes = shared.doc.getArray("strokes");
    const people = new People(name, shared.doc, { ...me, tint: shared.doc.clientID % 6 }, showPeople);
    /* One step back is a stroke, however long it takes, or what was typed without a pause. */
    const undo = new UndoManager([text, strokes], { trackedOrigins: new Set([ORIGIN]), captureTimeout: Number.MAX_SAFE_INTEGER });
    let typedAt = 0;
    const editor = new Editor(text, byId("text"), byId("mirror"), ORIGIN, moveCursor);
    let board = null;
    board = new Board(strokes, prepare(byId("board"), () => board?.redraw()), ORIGIN, tool);
    let cursor = "null";

    function show() {
        byId("text").readOnly = !shared.isLoaded;
        byId("lost").hidden = shared.isWhole || shared.channel.state !== "live";
        byId("saved").textContent = shared.waits ? "Not on the server yet." : shared.isLoaded ? "All is on the server." : "\u00a0";
    }

    function showRefusal(why) {
        byId("missing").hidden = false;
        byId("missing").textContent = `The server did not take a change: ${why}.`;
    }

    function showPeople() {
        byId("people").replaceChildren(...people.list.map(({ name: called, tint, isMe }) =>
            make("li", { className: `tint-${tint}` }, called, isMe ? make("span", { className: "hint" }, " (you)") : "")));
        editor.cursors = people.list.filter(({ isMe }) => !isMe).map(({ cursor: position, ...who }) => ({ ...who, position }));
    }

    function moveCursor(position) {
        if (JSON.stringify(position) === cursor)
            return;
        cursor = JSON.stringify(position);
        people.change({ cursor: position });
    }

    /* What is in the hand; nothing, where there is no room for more. */
    function tool() {
        const { value } = document.querySelector("[name=tool]:checked");
        beginStep();
        return value === "rubber" ? value : shared.isFull ? null : Number(value);
    }

    function beginStep() {
        undo.stopCapturing();
        typedAt = 0;
    }

    function showUndo() {
        byId("undo").disabled = !undo.canUndo();
        byId("redo").disabled = !undo.canRedo();
    }

    for (const event of ["stack-item-added", "stack-item-popped", "stack-cleared"])
        undo.on(event, showUndo);
    byId("undo").onclick = () => undo.undo();
    byId("redo").onclick = () => undo.redo();
    byId("clear").onclick = () => {
        beginStep();
        board.clear();
    };
    byId("text").addEventListener("beforeinput", () => {
        if (Date.now() - typedAt > PAUSE_MS)
            undo.stopCapturing();
        typedAt = Date.now();
    });
    byId("accept").onclick = () => shared.acceptLoss();
    const undoByKeys = event => {
        const key = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase();
        if (key !== "z" && key !== "y")
            return;
        event.preventDefault();
        byId(key === "y" || event.shiftKey ? "redo" : "undo").click();
    };
    for (const place of ["text", "board"])
        byId(place).addEventListener("keydown", undoByKeys);
    byId("call").onsubmit = event => {
        event.preventDefault();
        me.name = tidyName(byId("name").value) || me.name;
        byId("name").value = me.name;
        remember("duet-name", me.name);
        people.change({ name: me.name });
    };
    /* Only what the server has is kept when a window is closed. */
    addEventListener("beforeunload", event => shared.waits && event.preventDefault());
    showPeople();
    show();
}

const name = tidyDocument(new URLSearchParams(location.search).get("doc") ?? "") || "welcome";
const recent = [name, ...remembered("duet-documents").split(" ").filter(other => other && other !== name)].slice(0, 8);
remember("duet-documents", recent.join(" "));
byId("documents").replaceChildren(...recent.map(value => make("option", { value })));
byId("document").value = byId("title").textContent = name;
document.title = `${name} · Duet`;
byId("name").value = me.name;
byId("go").onsubmit = event => {
    event.preventDefault();
    location.href = `/apps/doc/?doc=${encodeURIComponent(tidyDocument(byId("document").value) || "welcome")}`;
};
const parts = await libraries();
if (parts)
    open(name, parts);
