"""The service. `uvicorn berths.main:app` serves it."""

from fastapi import FastAPI, Response

from berths import bookings, health
from berths.database import engine

app = FastAPI(title="Berths")
app.include_router(bookings.router)


@app.get("/health")
def answer_health(response: Response) -> health.Health:
    """How the service is: 503 without its database."""
    seen = health.look(engine())
    if not seen.database:
        response.status_code = 503
    return seen
