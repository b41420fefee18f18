-- Every shipment has had a tracking code since the last one without was closed
-- by hand in April. The label printer relies on it, so make it a rule.

ALTER TABLE shop.shipments
    ALTER COLUMN tracking_code SET NOT NULL;
