/* SPDX-License-Identifier: MIT */
/* What /apps/doc/ takes of Yjs. esbuild makes one file of it, /apps/doc/yjs.js, when Duet is built. */
export { Doc, Map as SharedMap, Array as SharedArray, UndoManager, applyUpdate, decodeUpdate, encodeStateAsUpdate,
         encodeStateVector, mergeUpdates,
         createAbsolutePositionFromRelativePosition, createRelativePositionFromJSON,
         createRelativePositionFromTypeIndex } from "yjs";
export { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness";
export { createEncoder, toUint8Array, writeUint8Array, writeVarString, writeVarUint } from "lib0/encoding";
export { createDecoder, readTailAsUint8Array, readVarString, readVarUint } from "lib0/decoding";
