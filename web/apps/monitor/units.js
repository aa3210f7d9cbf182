/* SPDX-License-Identifier: MIT */
/* Figures as people read them. */

const SIZES = ["", "k", "M", "G", "T"];

/* 1536000 of "B/s": "1.5 MB/s". What is not known: a dash. */
export function shown(value, unit) {
    if (!Number.isFinite(value))
        return "–";
    if (unit === "%")
        return `${Math.round(value)} %`;
    const size = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3)));
    const short = value / 1000 ** size;
    const sign = `${SIZES[size]}${unit}`;
    const between = sign === "" || sign.startsWith("/") ? "" : " ";
    return `${size > 0 && short < 10 ? short.toFixed(1) : Math.round(short)}${between}${sign}`;
}

/* In what a limit is given: bytes in millions. */
export function tick(unit) {
    return unit.startsWith("B") ? { name: `M${unit}`, of: 1e6 } : { name: unit, of: 1 };
}
