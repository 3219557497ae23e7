// The page of one run: listens to /events and draws what arrives. It only ever reads.

import { draw } from "./chart.js";
import { clock, html, interval, short } from "./dom.js";

const COLOURS = 8;
const byId = (id) => document.getElementById(id);
let rows = [];
const drawn = new Map();

/** Whether data differ from what was last drawn under a name: so that a hover or a selection survives. */
function changed(name, data) {
  const text = JSON.stringify(data);
  if (drawn.get(name) === text) return false;
  drawn.set(name, text);
  return true;
}

/** Games of one team have no Elo: they are ranked by their mean return. */
function measure(rows) {
  return rows.some((row) => row.return_mean != null)
    ? { name: "Return", keys: ["return_mean", "return_low", "return_high"], places: 2 }
    : { name: "Elo", keys: ["elo", "elo_low", "elo_high"], places: 0 };
}

const values = (row, by) => by.keys.map((key) => row[key]);
const label = (row) => (row.generation == null ? row.player : `${row.player}@${row.generation}`);

function showHead(page) {
  byId("game").textContent = page.game;
  byId("run").textContent = page.run;
  byId("state").textContent = page.state;
  byId("state").classList.toggle("running", page.state === "running");
  document.title = `${page.run} · league`;
}

function showFigures(page) {
  const figures = [
    ["Time", clock(page.seconds)],
    ["Steps", short(page.steps)],
    ["Steps a second", short(page.steps_per_second)],
    ["Updates", short(page.updates)],
    ["Policy lag", page.policy_lag.toFixed(1)],
    ["Actors", String(Object.keys(page.actors).length)],
    ["Matches", short(page.matches.done ?? 0)],
    ["Parked", String(page.matches.parked ?? 0)],
  ];
  byId("figures").replaceChildren(
    ...figures.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))),
  );
}

function showChart(rows) {
  const by = measure(rows);
  const players = [...new Set(rows.map((row) => row.player))].sort();
  const series = players.map((name, index) => ({
    name,
    colour: index % COLOURS,
    points: rows
      .filter((row) => row.player === name && row[by.keys[0]] != null)
      .sort((a, b) => a.generation - b.generation)
      .map((row) => {
        const [middle, low, high] = values(row, by);
        return { x: row.generation, middle, low, high, label: label(row), live: row.live };
      }),
  }));
  byId("chart-title").textContent = `${by.name} by generation`;
  byId("legend").replaceChildren(
    ...series.map((one) => html("li", { class: `series-${one.colour}` }, html("span", {}, one.name))),
  );
  draw(byId("chart"), series, by.places);
}

function showLeaderboard(rows) {
  const by = measure(rows);
  const some = (key) => rows.some((row) => row[key] != null);
  const share = (value) => (value == null ? "–" : `${(value * 100).toFixed(0)} %`);
  const roles = new Set(rows.map((row) => row.role).filter((role) => role !== "scripted"));
  const columns = [
    ["Player", (row) => label(row)],
    [by.name, (row) => interval(...values(row, by), by.places), "number"],
    some("skill") && ["Skill", (row) => interval(row.skill, row.skill_low, row.skill_high, 1), "number"],
    ["Games", (row) => short(row.games), "number"],
    some("wins") && by.name === "Elo" && ["Won", (row) => short(row.wins), "number"],
    some("wins") && by.name === "Elo" && ["Drawn", (row) => short(row.draws), "number"],
    some("wins") && by.name === "Elo" && ["Lost", (row) => short(row.losses), "number"],
    some("nash") && ["Nash", (row) => share(row.nash), "number"],
    some("alpha_rank") && ["α-rank", (row) => share(row.alpha_rank), "number"],
    roles.size > 1 && ["Role", (row) => row.role],
  ].filter(Boolean);
  fillTable(byId("leaderboard"), columns, rows);
}

/** Whether one number can order the players at all. */
function showRemark(words) {
  byId("remark").textContent = words;
  byId("remark").hidden = !words;
}

function showMatches(matches) {
  const columns = [
    ["Match", (match) => String(match.id), "number"],
    ["Players", (match) => match.opponents],
    ["+won =drawn −lost", (match) => match.result, "result"],
    ["Why", (match) => match.reason, "why"],
  ];
  fillTable(byId("matches"), columns, matches);
}

function fillTable(table, columns, rows) {
  const head = html("tr", {}, ...columns.map(([name, , kind = ""]) => html("th", { class: kind, scope: "col" }, name)));
  const body = rows.map((row) =>
    html("tr", {}, ...columns.map(([, text, kind = ""]) => html("td", { class: kind }, text(row)))),
  );
  table.replaceChildren(html("thead", {}, head), html("tbody", {}, ...body));
}

function showTrouble(words) {
  byId("trouble").textContent = words;
  byId("trouble").hidden = !words;
}

function show(page) {
  showTrouble(page.trouble ?? "");
  if (page.trouble) return;
  byId("main").hidden = false;
  showHead(page);
  showFigures(page);
  if (changed("leaderboard", page.leaderboard)) {
    rows = page.leaderboard;
    showChart(rows);
    showLeaderboard(rows);
  }
  if (changed("remark", page.remark)) showRemark(page.remark);
  if (changed("notes", page.notes)) byId("notes").replaceChildren(...page.notes.map((note) => html("li", {}, note)));
  if (changed("matches", page.last)) showMatches(page.last);
}

const events = new EventSource("/events");
events.addEventListener("message", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => showTrouble("The dashboard does not answer; trying again."));
events.addEventListener("open", () => showTrouble(""));
new ResizeObserver(() => drawn.has("leaderboard") && showChart(rows)).observe(byId("chart"));
