"""flights.py: which flights arrive more than a quarter of an hour late, by what is known before they depart."""

from loopwright import Drift, Gate, Model, NewData

FLIGHTS = """
WITH flights AS (
    SELECT
        *,
        -- When the timetable lets it depart, in minutes after midnight: when it did, less its delay.
        (dep_time // 100 * 60 + dep_time % 100 - dep_delay + 1440) % 1440 AS scheduled
    FROM 'data/flights.csv'
    WHERE arr_delay IS NOT NULL  -- cancelled and diverted flights never arrive
)
SELECT
    make_date(year, month, day) AS date, flight, carrier, origin, dest, distance, scheduled,
    temp, dewp, humid, wind_speed, wind_gust, precip, pressure, visib,
    arr_delay > 15 AS late
FROM flights
JOIN read_csv('data/weather.csv', nullstr = 'NA') AS weather USING (origin, year, month, day)
WHERE weather.hour = scheduled // 60  -- the weather at the timetable's hour
ORDER BY date, scheduled, origin, carrier, flight
"""

model = Model(
    "late-arrivals",
    source=FLIGHTS,
    target="late",
    time="date",
    label_delay="1d",  # whether the morning's flights are late is not known in the night before
    slices=["origin"],
    gate=Gate("roc_auc", at_least=0.6),
    retrain=[NewData(min_rows=5000), Drift()],
)


@model.tune(trials=6, budget="3m")
def search(trial):
    return {
        "num_leaves": trial.suggest_int("num_leaves", 15, 127, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.5, 1.0),
    }
