-- At start-up the portal compares the migrations it was built with to those that ran here.
GRANT SELECT ON _sqlx_migrations TO portal_app, portal_worker;
