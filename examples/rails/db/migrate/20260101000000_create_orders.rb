class CreateOrders < ActiveRecord::Migration[6.1]
  def change
    create_table :orders do |table|
      table.integer :total, null: false
      table.boolean :invoiced, null: false, default: false
    end
  end
end
