/* SPDX-License-Identifier: MIT */
/* The page of shared editing: a document (shared.js) with its text (editor.js) and its board (board.js), and who is there. */
import { tidyName } from "/apps/here.js";
import { remember, remembered } from "/apps/state.js";
import { byId, make, showState } from "/wire.js";
import { Board } from "./board.js";
import { Editor } from "./editor.js";
import { People } from "./people.js";
import { Shared } from "./shared.js";
import { UndoManager } from "./yjs.js";

const PAUSE_MS = 800;
const ORIGIN = "page";      /* what is changed here, to Yjs */

function tidyDocument(text) {
    const name = text.trim().toLowerCase().replace(/[^a-z0-9_.-]+/g, "-").slice(0, 40);
    return name.replace(/^[-.]+|[-.]+$/g, "") || "welcome";
}

const name = tidyDocument(new URLSearchParams(location.search).get("doc") ?? "");
const myName = remembered("duet-name") || `Guest ${Math.floor(Math.random() * 900) + 100}`;
const shared = new Shared(name, { state: showState, changed: show, refused: showRefusal });
const text = shared.doc.getText("text");
const strokes = shared.doc.getArray("strokes");
const people = new People(name, shared.doc, myName, showPeople);
const undo = new UndoManager([text, strokes], { trackedOrigins: new Set([ORIGIN]) });
const editor = new Editor(text, byId("text"), byId("mirror"), ORIGIN, moveCursor);
const board = new Board(strokes, byId("board"), ORIGIN, tool);

function show() {
    byId("text").readOnly = !shared.isLoaded;
    byId("lost").hidden = shared.isWhole || shared.channel.state !== "live";
    byId("saved").textContent = shared.waits ? "Not on the server yet." : shared.isLoaded ? "All is on the server." : "\u00a0";
    byId("undo").disabled = !undo.canUndo();
    byId("redo").disabled = !undo.canRedo();
}

function showRefusal(why) {
    byId("missing").hidden = false;
    byId("missing").textContent = `The server did not take a change: ${why}.`;
}

function showPeople() {
    byId("people").replaceChildren(...people.list.map(({ name: called, tint, isMe }) =>
        make("li", { className: `tint-${tint}` }, called, isMe ? make("span", { className: "hint" }, " (you)") : "")));
    editor.cursors = people.list.filter(({ isMe }) => !isMe);
}

/* The editor says it at each change; the others are told what is new. */
function moveCursor(cursor) {
    if (JSON.stringify(cursor) !== JSON.stringify(people.me.cursor))
        people.change({ cursor });
}

/* What is in the hand as a stroke begins; nothing, where there is no room for more. */
function tool() {
    const { value } = document.querySelector("[name=tool]:checked");
    beginStep(Infinity);
    return value === "rubber" ? value : shared.isFull ? null : Number(value);
}

/* One step back is a stroke, however long it takes, or what was typed without a pause. */
function beginStep(pauseMs) {
    undo.stopCapturing();
    undo.captureTimeout = pauseMs;
}

function goBack(isForward) {
    if (isForward)
        undo.redo();
    else
        undo.undo();
    show();
}

byId("text").addEventListener("focus", () => beginStep(PAUSE_MS));
byId("undo").onclick = () => goBack(false);
byId("redo").onclick = () => goBack(true);
byId("sides").onkeydown = event => {
    const key = (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase();
    if (key !== "z" && key !== "y")
        return;
    event.preventDefault();
    goBack(key === "y" || event.shiftKey);
};
byId("clear").onclick = () => {
    beginStep(Infinity);
    board.clear();
};
byId("accept").onclick = () => shared.acceptLoss();
byId("call").onsubmit = event => {
    event.preventDefault();
    byId("name").value = tidyName(byId("name").value) || people.me.name;
    remember("duet-name", byId("name").value);
    people.change({ name: byId("name").value });
};
byId("go").onsubmit = event => {
    event.preventDefault();
    location.href = `/apps/doc/?doc=${encodeURIComponent(tidyDocument(byId("document").value))}`;
};
/* Only what the server has is kept when a window is closed. */
addEventListener("beforeunload", event => shared.waits && event.preventDefault());

const recent = [...new Set([name, ...remembered("duet-documents").split(" ").filter(Boolean)])].slice(0, 8);
remember("duet-documents", recent.join(" "));
byId("documents").replaceChildren(...recent.map(value => make("option", { value })));
byId("document").value = byId("title").textContent = name;
document.title = `${name} · Duet`;
byId("name").value = myName;
showPeople();
show();
